"""Long thoughts: shortcuts and journeys derived from trees."""
