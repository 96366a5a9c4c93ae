"""The commands, by what they are for; `clbench.cli` brings them together.

Each parses, calls and prints. Heavy imports wait until a command needs them.
"""
