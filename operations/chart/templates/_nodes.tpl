{{/* What a replica of several nodes is made of: a Ray node in each pod, the service in the first. */}}
{{- define "llm.rayNode" -}}
{{- $pod := index . 0 }}
{{- $container := deepCopy (first $pod.containers) }}
{{- range list "ports" "lifecycle" "startupProbe" "livenessProbe" "readinessProbe" }}
{{- $container = unset $container . }}
{{- end }}
{{- $env := list (dict "name" "PYTHONPATH" "value" "/home/bentoml/bento/src") }}
{{- range $container.env }}
{{- if has .name (list "HF_TOKEN" "BENTOML_HOME" "BENTOML_DO_NOT_TRACK") }}
{{- $env = append $env . }}
{{- end }}
{{- end }}
{{- mergeOverwrite $container (dict "name" "ray" "env" $env "args" (index . 1)) | toYaml }}
{{- end }}

{{- define "llm.leaderSpec" -}}
{{- $pod := include "llm.patchedPodSpec" . | fromYaml }}
{{- $ray := include "llm.rayNode" (list $pod (list "ray" "start" "--head" "--port=6379" "--block")) | fromYaml }}
{{- $service := first $pod.containers }}
{{- with $service.resources.limits }}
{{- $_ := unset . $.Values.gpuResource }}
{{- end }}
{{- $arguments := dict "name" "ENGINE_ARGS" "value" (mergeOverwrite (dict "ray_address" "127.0.0.1:6379") (dig "engine_args" dict .Values.settings) | toJson) }}
{{- $env := list $arguments }}
{{- range $service.env }}
{{- if ne .name "ENGINE_ARGS" }}
{{- $env = append $env . }}
{{- end }}
{{- end }}
{{- $_ := set $service "env" $env }}
{{- set $pod "containers" (list $service $ray) | toYaml }}
{{- end }}

{{- define "llm.workerSpec" -}}
{{- $pod := include "llm.patchedPodSpec" . | fromYaml }}
{{- $ray := include "llm.rayNode" (list $pod (list "ray" "start" "--address=$(LWS_LEADER_ADDRESS):6379" "--block")) | fromYaml }}
{{- set $pod "containers" (list $ray) | toYaml }}
{{- end }}
