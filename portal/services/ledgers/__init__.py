"""What was posted and given back, credit notes, and what the portal pays out of its own books."""
