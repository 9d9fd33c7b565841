from deftclean.table.estimate import NoiseEstimate, heard, noise_estimate

FACTS = {
    "evidence": {
        "witnesses": {"zero_shot": 0.2, "head": 0.9, "neighbours": 0.0},
        "informed": 0.75,
        "level": 0.9,
        "estimated_noise": {"estimate": 0.25, "low": 0.2, "high": 0.3125},
    }
}


def test_what_the_metadata_say():
    found = noise_estimate(FACTS)
    assert found == NoiseEstimate(0.25, 0.2, 0.3125, 0.9, 0.75)
    assert found.text == "25.0% (90%: 20.0% to 31.2%)"


def test_a_table_without_an_estimate_has_none():
    assert noise_estimate({}) is None
    assert noise_estimate({"evidence": {"estimated_noise": None}}) is None
    assert heard({}) == ()


def test_the_weightiest_witness_comes_first_and_silent_ones_do_not():
    assert heard(FACTS) == ("head_prob", "zero_shot_prob")
