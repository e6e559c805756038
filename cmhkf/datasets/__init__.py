"""XD-Violence, UCF-Crime and one's own videos: annotations, lists, ground truth and labels."""
