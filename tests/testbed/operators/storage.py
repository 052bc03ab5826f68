# SPDX-License-Identifier: GPL-3.0-or-later
"""A default StorageClass and its provisioner, as every real cluster has: a claim gets a volume; KWOK's pods never write to it."""

from __future__ import annotations

from typing import Any

from .base import ApiError, Controller, Key

__all__ = ["CONTROLLERS", "ProvisionerController", "volume_for"]

PROVISIONER = "testbed.meshops.io/none"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "provisioner": PROVISIONER,
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}


def volume_for(claim: dict[str, Any]) -> dict[str, Any]:
    """The PersistentVolume that is made for a claim, already reserved for it."""
    meta = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{meta['uid']}", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": "standard",
            "persistentVolumeReclaimPolicy": "Retain",
            "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
            "hostPath": {"path": f"/var/empty/{meta['uid']}"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
        },
    }


class ProvisionerController(Controller):
    """Makes the StorageClass, and a volume for each claim of it, which goes with its claim."""

    name = "storage"
    kinds = (("v1", "PersistentVolumeClaim"), ("v1", "PersistentVolume"))

    async def run(self) -> None:
        await self.kube.apply(STORAGE_CLASS)
        await super().run()

    async def reconcile(self, key: Key) -> float | None:
        if key[0] == "PersistentVolume":
            await self._reclaim(key[2])
            return None
        claim = await self.kube.get("v1", "PersistentVolumeClaim", key[2], key[1])
        if claim is None or claim["spec"].get("volumeName") or claim["spec"].get("storageClassName") != "standard":
            return None
        try:
            await self.kube.create(volume_for(claim))
        except ApiError as error:
            if error.status != 409:  # made already, and the binder has not come round yet
                raise
        return None

    async def _reclaim(self, name: str) -> None:
        """A volume is kept for its claim (Retain, so that only we delete it) and no longer."""
        volume = await self.kube.get("v1", "PersistentVolume", name)
        made_here = ((volume or {}).get("metadata", {}).get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") == PROVISIONER
        if volume and made_here and (volume.get("status") or {}).get("phase") == "Released":
            await self.kube.delete({"apiVersion": "v1", "kind": "PersistentVolume", **volume})


CONTROLLERS = [ProvisionerController]
