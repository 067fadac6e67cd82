#!/bin/sh
# A safe rollout by hand, in the commands of Azure's tutorial: `az ml` is `modelport` here, and the files are the same.
# Wants a running `modelport up`, and the model: python make_model.py models/house-prices
set -eu
cd "$(dirname "$0")"
ENDPOINT=house-prices

modelport online-endpoint create --name $ENDPOINT -f online-endpoint.yml -g my-group -w my-workspace
modelport online-deployment create --name blue --endpoint $ENDPOINT -f online-deployment-nocode.yml --all-traffic
modelport online-endpoint invoke --name $ENDPOINT --request-file requests/split.json

# green beside it, without traffic: only who asks for it by name gets it
modelport online-deployment create --name green --endpoint-name $ENDPOINT -f online-deployment-nocode.yml \
  --set model.version=2 --set request_settings.max_concurrent_requests_per_instance=100
modelport online-endpoint show --name $ENDPOINT --query traffic
modelport online-endpoint invoke --name $ENDPOINT --deployment-name green --request-file requests/split.json

# copies of live requests, whose answers nobody sees
modelport online-endpoint update --name $ENDPOINT --mirror-traffic "green=10"
sleep "${MIRROR_SECONDS:-60}"
modelport online-endpoint update --name $ENDPOINT --mirror-traffic "green=0"

# a share of the real ones, then all of them
modelport online-endpoint update --name $ENDPOINT --traffic "blue=90 green=10"
modelport online-endpoint update --name $ENDPOINT --traffic "blue=0 green=100"
modelport online-deployment get-logs --endpoint $ENDPOINT --name green --lines 20
modelport online-deployment delete --name blue --endpoint $ENDPOINT --yes --no-wait
