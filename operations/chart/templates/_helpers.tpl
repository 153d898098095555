{{- define "llm.selector" -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end }}

{{- define "llm.podLabels" -}}
{{ include "llm.selector" . }}
app.kubernetes.io/component: {{ .Values.backend }}
app.kubernetes.io/part-of: llm-services
{{- end }}

{{- define "llm.labels" -}}
{{ include "llm.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Seconds that a start may take. */}}
{{- define "llm.startSeconds" -}}
{{ .Values.startSeconds | default (dig "start_timeout" 1800 .Values.settings) | ceil | int }}
{{- end }}

{{/* A setting as the text of its variable; `$(NAME)` would be a variable of the pod. */}}
{{- define "llm.variable" -}}
{{- $text := kindIs "slice" . | ternary (. | join ",") (toJson .) -}}
{{- if kindIs "string" . }}{{ $text = . }}{{ end -}}
{{ $text | replace "$" "$$" | toJson }}
{{- end }}

{{- define "llm.scaleTarget" -}}
{{- if gt (int .Values.nodes) 1 }}
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
{{- else }}
apiVersion: apps/v1
kind: Deployment
{{- end }}
name: {{ .Release.Name }}
{{- end }}

{{/* Slow to shrink, for a start takes minutes. */}}
{{- define "llm.scaleBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 30
scaleDown:
  stabilizationWindowSeconds: 900
{{- end }}

{{/* What the schema cannot say: values that do not fit together. */}}
{{- define "llm.check" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) }}
{{- fail (printf "the release's name %q cannot name a Service; allowed are a-z, 0-9 and -, a letter first" .Release.Name) }}
{{- end }}
{{- $gpus := mul .Values.gpus .Values.nodes | int }}
{{- $needed := 1 }}
{{- range list "tensor_parallel_size" "pipeline_parallel_size" "data_parallel_size" }}
{{- $needed = mul $needed (dig . 1 $.Values.settings | int) }}
{{- end }}
{{- if and (lt $gpus (int $needed)) (or $gpus (gt (int $needed) 1)) }}
{{- fail (printf "gpus %d is less than the %d of settings.tensor_parallel_size x pipeline_parallel_size x data_parallel_size; set gpus to %d, or smaller sizes" $gpus $needed $needed) }}
{{- end }}
{{- $most := int .Values.replicas }}
{{- if .Values.autoscaling.enabled }}
{{- if gt $most (int .Values.autoscaling.maxReplicas) }}
{{- fail (printf "replicas %d is more than autoscaling.maxReplicas %d" $most (int .Values.autoscaling.maxReplicas)) }}
{{- end }}
{{- $most = int .Values.autoscaling.maxReplicas }}
{{- end }}
{{- if and (gt $most 1) .Values.cache.enabled (ne .Values.cache.accessMode "ReadWriteMany") }}
{{- fail (printf "%d replicas cannot mount a cache that belongs to one node: set cache.accessMode to ReadWriteMany where the cluster has such volumes, else cache.enabled to false" $most) }}
{{- end }}
{{- if and .Values.cache.fill (or (not .Values.cache.enabled) (eq .Values.cache.accessMode "ReadWriteOncePod")) }}
{{- fail "cache.fill needs a volume that a second pod can mount: set cache.enabled, and cache.accessMode to ReadWriteOnce or ReadWriteMany" }}
{{- end }}
{{- if and .Values.cache.fill (not (dig "model" "" .Values.settings)) }}
{{- fail "cache.fill fetches settings.model, which is not set" }}
{{- end }}
{{- if and (gt $most 1) (dig "batch_dir" "" .Values.settings) }}
{{- fail (printf "settings.batch_dir belongs to one service: %d replicas would each know batches of their own" $most) }}
{{- end }}
{{- if and (gt (int .Values.nodes) 1) (ne .Values.backend "ray_serve") }}
{{- fail (printf "nodes %d: only ray_serve runs one replica over several nodes" (int .Values.nodes)) }}
{{- end }}
{{- if and (gt (int .Values.nodes) 1) .Values.cache.enabled (ne .Values.cache.accessMode "ReadWriteMany") }}
{{- fail (printf "nodes %d: a cache that belongs to one node cannot be mounted on all; set cache.accessMode to ReadWriteMany, else cache.enabled to false" (int .Values.nodes)) }}
{{- end }}
{{- with .Values.autoscaling.keda }}
{{- if and .enabled (not $.Values.autoscaling.enabled) }}
{{- fail "autoscaling.keda.enabled without autoscaling.enabled has no effect" }}
{{- end }}
{{- if and .enabled (not .prometheus) }}
{{- fail "autoscaling.keda.prometheus has to be the address of your Prometheus, such as http://prometheus.monitoring:9090" }}
{{- end }}
{{- if and .toZero (not .triggers) }}
{{- fail "autoscaling.keda.toZero: where nothing runs, nothing counts waiting requests; autoscaling.keda.triggers has to wake the first replica, such as {type: cron, ...} or a count of requests at your ingress" }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.enabled needs ingress.host" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parents) }}
{{- fail "gateway.enabled needs gateway.parents, the Gateways that lead here: [{name: gateway}]" }}
{{- end }}
{{- if and .Values.gpuProduct (not .Values.gpus) }}
{{- fail "gpuProduct chooses among nodes with GPUs, and gpus is 0" }}
{{- end }}
{{- if and .Values.open .Values.keysFile }}
{{- fail "open true serves everybody, and keysFile true asks for keys: set one of them" }}
{{- end }}
{{- if and .Values.monitoring.serviceMonitor (not (dig "metrics_public" true .Values.settings)) }}
{{- fail "settings.metrics_public false: monitoring.serviceMonitor scrapes /metrics without a key; keep it inside the cluster by a NetworkPolicy instead" }}
{{- end }}
{{- end }}
