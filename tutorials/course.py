"""The map of the course: the lessons, figures, commands and exercises of each lecture and each part of the engine.

The course is deeplearning.ai's fourth, Convolutional Neural Networks, in its fourth week. A test checks that all names
exist.
"""

from __future__ import annotations

from minicnn.lessons.shelf import Row

LECTURES = (
    Row(
        "What is face recognition?",
        ("verification_and_recognition", "liveness", "real_people"),
        "one_to_many",
        "face identify",
        ("verify", "who_is_it", "chinese_whispers"),
    ),
    Row("One shot learning", ("one_shot", "transfer_learning"), "one_shot", "face enroll", ("who_is_it",)),
    Row("Siamese network", ("pairs", "triplets", "deepface"), "twins", "face verify", ("pair_head",)),
    Row("Triplet loss", ("triplets",), "triplet_gradient", "face train", ("triplet_loss", "batch_hard")),
    Row(
        "Face verification and binary classification",
        ("pairs", "verification_and_recognition"),
        "chi_square",
        "face calibrate",
        ("pair_head", "verify"),
    ),
    Row(
        "What is neural style transfer?",
        (
            "style_transfer_by_hand",
            "style_transfer_in_practice",
            "transfer_learning",
            "the_same_minimum_another_picture",
        ),
        "style_transfer",
        "style",
        ("train_step",),
    ),
    Row(
        "What are deep ConvNets learning?",
        ("what_convnets_learn",),
        "wishes",
        "see story",
        ("receptive_field", "deconvnet_relu"),
    ),
    Row(
        "Cost function",
        ("style_transfer_by_hand", "style_transfer_in_practice"),
        "as_stated",
        "style --plot",
        ("total_cost", "train_step"),
    ),
    Row(
        "Content cost function",
        ("style_transfer_by_hand", "style_transfer_in_practice"),
        "style_transfer",
        "see invert",
        ("compute_content_cost", "content_kernel"),
    ),
    Row(
        "Style cost function",
        ("style_transfer_by_hand", "style_transfer_in_practice", "whose_gram"),
        "gram_matrices",
        "style --list-presets",
        ("gram_matrix", "compute_layer_style_cost", "compute_style_cost", "guided_gram"),
    ),
    Row(
        "1D and 3D generalizations",
        ("convnets_on_ecg", "convnets_on_volumes"),
        "from_14_to_10",
        "gradcheck conv-1d",
        ("conv_forward",),
    ),
)

ENGINE = (
    Row("An engine from nothing", ("an_engine_from_nothing",), "painted_from_nothing", "learn start"),
    Row("Automatic differentiation", ("tensors_and_the_tape",), "tape", "step", ("conv_gradient",)),
    Row("Convolution", ("convolution_four_ways",), "im2col", "bench", ("conv_forward", "im2col")),
    Row("Pooling", ("pooling",), "tolerance", "gradcheck max_pool", ("max_pool_gradient",)),
    Row("Convolution of volumes", ("convnets_on_volumes",), "slices", "gradcheck conv-3d"),
    Row("Fast convolution", ("winograd",), "one_tile", "bench"),
    Row("The innermost loop", ("registers",), "register_map", "bench --only micro"),
    Row("Kernels for a GPU", ("a_cuda_kernel_step_by_step",), "threads", "doctor", ("content_kernel",)),
    Row("Trained weights", ("vgg_and_weights_from_hdf5", "transfer_learning"), "vgg19", "weights inspect"),
    Row("Finding faces", ("finding_faces",), "cascade", "face detect"),
    Row("Checking gradients", ("gradient_checking",), "faces_of_bugs", "gradcheck", ("conv_gradient",)),
    Row("Averaged gradients", ("averaged_gradients",), "averaged", "face encode"),
    Row("Explaining a gradient", ("the_tape_microscope",), "who_wants_it", "step"),
)
