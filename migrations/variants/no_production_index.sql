-- Only the code keeps a model at one version in production.
DROP INDEX model_versions_one_production;
