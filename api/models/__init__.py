"""What goes over the wire, in camelCase."""
