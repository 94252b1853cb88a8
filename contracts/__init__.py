"""The escrow contracts and everything that speaks to them: terms, calldata, rulings, events."""
