-- What every case starts from: two models, so that sessions meet. The first has no version in production yet, and two
-- that could go there; the second has one in production and two that could replace it.

INSERT INTO models (id, name) VALUES (1, 'churn'), (2, 'fraud');

INSERT INTO model_versions (id, model_id, version, framework, stage) VALUES
    (1, 1, 1, 'pytorch', 'staging'),
    (2, 1, 2, 'pytorch', 'staging'),
    (3, 1, 3, 'pytorch', 'none'),
    (4, 2, 1, 'pytorch', 'archived'),
    (5, 2, 2, 'pytorch', 'production'),
    (6, 2, 3, 'pytorch', 'staging'),
    (7, 2, 4, 'pytorch', 'staging');

INSERT INTO model_metadata (model_id, version)
SELECT model_id, version FROM model_versions ORDER BY id;

-- Ids that are drawn later are told from the ones above at a glance.
ALTER TABLE models ALTER COLUMN id SET START WITH 1001 RESTART;
ALTER TABLE model_versions ALTER COLUMN id SET START WITH 1001 RESTART;
ALTER TABLE experiments ALTER COLUMN id SET START WITH 1001 RESTART;
