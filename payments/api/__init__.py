"""The partner API of deals and escrows."""
