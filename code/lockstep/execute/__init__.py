"""How runs are made: planned, each in a process of its own, in legs where they are long, recorded when they end."""
