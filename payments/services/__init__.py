"""The only writers of deals, escrows, orders, legs and books. One module for each noun or verb."""
