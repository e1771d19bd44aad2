"""The spare-key story on a running stack, through the doors that residents, operators and partners use (OP-21)."""
