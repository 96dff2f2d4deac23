"""The verification of the regions' audit chains against the heads kept by other members."""
