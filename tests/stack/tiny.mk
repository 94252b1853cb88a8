# The demo's recipe, around its small programs.
demo:
	@$(PYTHON) -m tests.stack.tiny_demo fine $(PORT)
