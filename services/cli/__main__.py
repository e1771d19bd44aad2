"""`python -m services.cli`: `ruum` where its script is not installed."""

from services.cli import main

main()
