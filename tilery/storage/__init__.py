"""What may be read, and how its bytes come: source policy, locations, byte ranges, objects."""
