"""Who may ask for what: tokens, signed addresses, scopes and rates."""
