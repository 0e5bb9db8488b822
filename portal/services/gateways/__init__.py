"""What gateways know: looked at, heard, and compared with ours."""
