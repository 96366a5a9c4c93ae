"""A package whose presets are spoiled."""
