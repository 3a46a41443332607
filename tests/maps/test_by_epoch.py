import numpy as np
import torch
from helpers.pictures import images_of

from whitepatch.maps.by_epoch import emerge
from whitepatch.maps.evaluation import Truth, map_scores
from whitepatch.maps.extract import maps_of
from whitepatch.models.classifier import build


def test_each_epoch_shows_the_maps_of_its_weights():
    images, network = images_of(4, 3), build("cbam_spatial", 0)
    epochs = [build("cbam_spatial", seed).state_dict() for seed in (7, 8)]
    expected = [maps_of(build("cbam_spatial", seed), images) for seed in (0, 7, 8)]
    found = emerge(network, epochs, images)
    assert set(found.maps) == set(found.aucs) == {"evidence", "attention gate"}
    for name, maps in found.maps.items():
        assert maps.shape == (3, 4, 24, 24)
        for epoch in range(3):
            np.testing.assert_allclose(maps[epoch], expected[epoch][name], atol=1e-6)
            auc = map_scores(expected[epoch], Truth.of(images))[name]["auc"].mean()
            assert abs(found.aucs[name][epoch] - auc) < 1e-6
    assert torch.equal(network.head.weight, epochs[-1]["head.weight"])
