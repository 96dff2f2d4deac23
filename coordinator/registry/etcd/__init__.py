"""The registry in etcd, which several coordinators share."""
