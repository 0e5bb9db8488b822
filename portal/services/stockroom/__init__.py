"""What lies where: levels that only movements change, and what a warehouse says it can still keep back."""
