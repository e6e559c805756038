"""The class names of the two data sets, normal first."""

XD_CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion")
UCF_CLASSES = ("normal", "abuse", "arrest", "arson", "assault", "burglary", "explosion", "fighting")
UCF_CLASSES += ("roadaccidents", "robbery", "shooting", "shoplifting", "stealing", "vandalism")
