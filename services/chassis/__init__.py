"""What every service runs on, knowing none of them."""
