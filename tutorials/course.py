"""The map of the course: the lessons, figures, commands and exercises of each lecture and each part of the engine, and
ways through the lessons.

The course is deeplearning.ai's fourth, Convolutional Neural Networks, in its fourth week. A test checks that all names
exist.
"""

from __future__ import annotations

from minicnn.lessons.shelf import Row, Stage, Way

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
    Row(
        "Automatic differentiation",
        ("tensors_and_the_tape",),
        "tape",
        "step",
        ("walk_back", "sum_to", "linear", "conv_gradient"),
    ),
    Row(
        "Learning",
        ("transfer_learning", "tensors_and_the_tape"),
        "frozen_or_fresh",
        "train",
        ("softmax_cross_entropy", "batch_norm", "adam"),
    ),
    Row("Convolution", ("convolution_four_ways",), "im2col", "bench", ("conv_forward", "im2col")),
    Row("Pooling", ("pooling",), "tolerance", "gradcheck max_pool", ("pool_forward", "max_pool_gradient")),
    Row("Convolution of volumes", ("convnets_on_volumes",), "slices", "gradcheck conv-3d"),
    Row("Fast convolution", ("winograd",), "one_tile", "bench"),
    Row("The innermost loop", ("registers",), "register_map", "bench --only micro"),
    Row("Kernels for a GPU", ("a_cuda_kernel_step_by_step",), "threads", "doctor", ("content_kernel",)),
    Row("Trained weights", ("vgg_and_weights_from_hdf5", "transfer_learning"), "vgg19", "weights inspect"),
    Row("Finding faces", ("finding_faces",), "cascade", "face detect"),
    Row(
        "Checking gradients",
        ("gradient_checking",),
        "faces_of_bugs",
        "gradcheck",
        ("numeric_gradient", "gradient_check", "conv_gradient"),
    ),
    Row("Averaged gradients", ("averaged_gradients",), "averaged", "face encode"),
    Row("Explaining a gradient", ("the_tape_microscope",), "who_wants_it", "step"),
)

# The minutes are estimates: a lesson is read with its predictions made and its holes written.
PATHS = (
    Way(
        "The student of week 4",
        "You follow the course's fourth week, and have its assignments to do. In the order of its lectures.",
        (
            Stage("verification_and_recognition", "two tasks, one distance; find the threshold of a door", 60),
            Stage("one_shot", "why a softmax is the wrong last layer for people", 60),
            Stage("triplets", "write the loss and its gradient, and let a network cheat", 90),
            Stage("", "minicnn learn start triplet_loss, then verify and who_is_it: the assignment on faces", 40),
            Stage("pairs", "twins, and the other way to train them", 75),
            Stage("what_convnets_learn", "what layers 1 to 5 look for", 75),
            Stage("style_transfer_by_hand", "write all costs and the loop; know the usual slips by their numbers", 90),
            Stage("", "minicnn learn start compute_content_cost, then the next ones: the assignment on style", 50),
            Stage("convnets_on_ecg", "14 samples, 16 filters: 10×16", 60),
            Stage("convnets_on_volumes", "one loop more: 14×14×14, 16 filters: 10×10×10×16", 50),
            Stage("notes_that_differ", "where your notes and these lessons say different things", 20),
        ),
    ),
    Way(
        "The engine builder",
        "You want to know how such a program works inside, down to the registers. Bring Python and some NumPy.",
        (
            Stage("an_engine_from_nothing", "write an engine in twelve steps, by minicnn learn start engine", 240),
            Stage("tensors_and_the_tape", "the same ideas in minicnn: operations, the tape, gradients that add up", 75),
            Stage("gradient_checking", "catch wrong gradients, and know which ones a check cannot see", 60),
            Stage("convolution_four_ways", "write it as loops, then read it as a product, compiled, and for a GPU", 75),
            Stage("pooling", "write it with its gradient; where a shift goes", 75),
            Stage("the_tape_microscope", "step through a network, and take one gradient apart", 50),
            Stage("winograd", "the same convolution with a third of the products", 90),
            Stage("registers", "why the innermost loop has twelve rows", 75),
            Stage("a_cuda_kernel_step_by_step", "threads, shared memory, and a race", 75),
            Stage("", "read the core, in the order that the manual's page on it gives", 300),
        ),
    ),
    Way(
        "Ninety minutes in class",
        "You teach: one idea, from a nudge to a painting. minicnn tutorial teach has this plan with times, another, "
        "and a sheet for each lesson. Project minicnn tutorial play, and let everybody write down what they predict.",
        (
            Stage("", "a photograph, a painting, and what came out: which numbers learn here?", 5),
            Stage("tensors_and_the_tape", "a gradient by nudging and by walking back: everybody does it by hand", 25),
            Stage("style_transfer_by_hand", "content cost and Gram matrix; what do they say of shuffled places?", 25),
            Stage("", "in pairs, minicnn learn start gram_matrix, or the holes of lesson 3", 15),
            Stage("style_transfer_by_hand", "the algorithm as stated: guess the rate, then watch", 15),
            Stage("", "which numbers learned? two questions of the sheet of lesson 3", 5),
        ),
    ),
)
