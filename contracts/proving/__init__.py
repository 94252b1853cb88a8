"""What is shown beyond tests: symbolic proofs, static analysis, and mutants that the tests must notice."""
