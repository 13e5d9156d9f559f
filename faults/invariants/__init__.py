"""What must hold whatever dies, seen from outside."""
