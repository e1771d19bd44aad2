"""A believable town on a running stack, made through the doors that everybody uses (OP-22)."""
