"""What a user would pick instead of CMHKF, trained and measured by the same commands on the same features."""
