"""Stand-ins for the companies that ruum deals with, and one console to play them by hand."""
