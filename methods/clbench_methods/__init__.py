"""Methods, one file a method or a close family; each reads like its paper."""
