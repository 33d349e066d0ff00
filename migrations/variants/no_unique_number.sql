-- The schema of someone who trusts MAX(version) + 1: an index, but not a unique one. What refers to a version by its
-- number goes with the constraint.
ALTER TABLE model_versions DROP CONSTRAINT model_versions_number CASCADE;
CREATE INDEX model_versions_number ON model_versions (model_id, version);
