import das3d_aug as das
from das3d_aug.adapters import AnomalyDataset
from das3d_aug.generation import write_demo_set
from torch.utils.data import DataLoader

from sheet import save

write_demo_set(
    "parts",
    families=("flange",),
    train=4,
    validation=0,
    good=0,
    per_defect=0,
    size=192,
)
dataset = AnomalyDataset(
    "parts",
    das.Recipe.realistic(dropout=0, size=(0.2, 0.5), contrast=(1, 1)),
    seed=0,
)
rows = []
for epoch in range(2):
    dataset.set_epoch(epoch)  # other defects in every pass
    (batch,) = DataLoader(dataset, batch_size=4)
    images = batch["image"].permute(0, 2, 3, 1).numpy() * 255  # B×3×H×W, 0 … 1
    rows.append(
        {
            f"epoch {epoch}, image {index}": image.astype("uint8")
            for index, image in enumerate(images)
        }
    )
save(__file__, *rows)
