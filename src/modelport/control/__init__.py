"""The control plane at work: operations write what is wanted into the store, ``reconcile`` makes it so."""
