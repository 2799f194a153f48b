"""`torch.fx.experimental`: what programs probe for."""
