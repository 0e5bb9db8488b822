"""What lies behind: replayed as returns, or judged again by other rules."""
