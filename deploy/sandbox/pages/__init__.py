"""The pages that partners show to a person: card form, 3-D Secure, EPOS."""
