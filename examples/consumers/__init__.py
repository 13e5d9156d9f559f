"""Programs that read Muster's events: take the one that is nearest to what you need as the start of your own."""
