"""Odd answers of planners: of all sorts of wrong, each with how its mission must end; and who gives them."""
