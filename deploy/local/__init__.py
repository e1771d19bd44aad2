"""The whole of ruum on one machine: real servers as child processes, all data in one folder (OP-20)."""
