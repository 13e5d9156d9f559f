"""Mission files: command sequences for the instruments of a platform, by the clock or by events. All pure."""
