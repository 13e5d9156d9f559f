"""Bad messages of agents: of all sorts of wrong, each with the fate that it must have; and the storm of them."""
