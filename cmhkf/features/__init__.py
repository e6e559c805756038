"""From a clip to feature rows, and folders of them."""
