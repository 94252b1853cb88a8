"""The only writers of disputes, evidence and rulings. One module for each noun or verb."""
