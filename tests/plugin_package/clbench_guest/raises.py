raise RuntimeError("this guest is not well")
