"""The exercises, a file each. minicnn.learn.catalogue says in which order."""
