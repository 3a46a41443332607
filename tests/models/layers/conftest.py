import os

import torch

if "MUTANT_UNDER_TEST" in os.environ:  # make mutation
    # its first comparison imports for seconds: here once, not in every fork
    torch.testing.assert_close(torch.ones(1), torch.ones(1))
