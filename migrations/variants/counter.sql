-- Each model's row counts its versions. A model is made along with its first version, hence the default.
ALTER TABLE models ADD COLUMN last_version integer NOT NULL DEFAULT 1 CHECK (last_version >= 0);
UPDATE models SET last_version = (SELECT max(version) FROM model_versions WHERE model_id = models.id);
