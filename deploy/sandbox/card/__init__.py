"""The card processor: the part of Stripe's API that ruum uses."""
